// A Caddyfile. Tried with Caddy 2.6.

import { type Configuration } from './configuration'
import { type Deployment, hostAndPort } from './deployment'
import { preamble, staticRoot, without } from './text'

export const caddy: Configuration = {
  server: 'caddy',
  summary: 'a Caddyfile (reverse_proxy with the fastcgi transport)',
  files: (deployment) => [{ path: '/etc/caddy/Caddyfile', text: caddyfile(deployment) }],
}

// The `file` matcher takes the root for a part of its pattern.
const GLOB = /[\\[\]*?]/

function caddyfile(deployment: Deployment): string {
  const { listen, name, port } = deployment
  // What follows a colon would be a port.
  const upstream = listen.kind === 'unix' ? `unix/${without(/:/, listen.path, '--listen', 'Caddy')}` : hostAndPort(listen)
  const matcher = deployment.mount === '' ? '' : '@application '
  return `${preamble(deployment, '/etc/caddy/Caddyfile', 'caddy', 'Then: sudo systemctl reload caddy')}

# Without "http://" and the port Caddy gets itself a certificate, and sends visitors to https.
http://${name}:${port} {
${matchers(deployment)}	reverse_proxy ${matcher}${word(upstream, '--listen')} {
		transport fastcgi
		# Caddy collects small pieces of an answer, but for server-sent events. This passes every piece on at once:
		#flush_interval -1
	}
}
`
}

function matchers(deployment: Deployment): string {
  const { mount } = deployment
  const root = staticRoot(deployment)
  let text = ''
  if (root !== undefined) {
    text += `	# The document root: a file there is sent by Caddy, but none whose name begins with a dot. Everything else is the application's.
	root * ${word(without(GLOB, root, '--root', 'Caddy'), '--root')}
	@file {
		method GET HEAD
		path ${mount}/*
		not path */ */.*
		file
	}
	handle @file {
		file_server
	}

`
  }
  if (mount !== '') {
    text += `	@application path ${mount} ${mount}/*
`
  }
  return text
}

// Braces begin a placeholder, and there is no way to write them otherwise. Between backticks nothing else has a meaning.
function word(text: string, what: string): string {
  without(/[{}]/, text, what, 'Caddy')
  if (/^[\w/.:@%+=~-]+$/.test(text)) return text
  if (!text.includes('`')) return `\`${text}\``
  // Double quotes know one escape, that of a quote.
  return `"${without(/\\/, text, what, 'Caddy').replaceAll('"', '\\"')}"`
}
