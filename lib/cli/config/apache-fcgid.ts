// Shared hosting: the two files by which mod_fcgid starts the application, with nothing of the server's own configuration touched.

import { existsSync } from 'node:fs'
import { dirname, join, sep } from 'node:path'
import { type Configuration } from './configuration'
import { type Deployment } from './deployment'
import { shellWord } from './text'

const SCRIPT = 'dispatch.fcgi'

export const apacheFcgid: Configuration = {
  server: 'apache-fcgid',
  summary: '.htaccess and dispatch.fcgi for shared hosting (mod_fcgid)',
  files: (deployment) => {
    const project = projectFolder(deployment.app)
    return [
      { path: join(deployment.root, '.htaccess'), text: htaccess(deployment, project) },
      { path: join(deployment.root, SCRIPT), mode: 0o755, text: dispatch(deployment, project) },
    ]
  },
}

/** Where package.json is, which applications expect to be started in; else where the main file is. */
function projectFolder(app: string): string {
  for (let folder = dirname(app); folder !== dirname(folder); folder = dirname(folder)) {
    if (existsSync(join(folder, 'package.json'))) return folder
  }
  return dirname(app)
}

function htaccess({ root, mount }: Deployment, project: string): string {
  const isInside = `${project}${sep}`.startsWith(`${root}${sep}`)
  return `# Hands requests to the application, which mod_fcgid starts by ${SCRIPT} in this folder.
# The host has to allow it: "AllowOverride FileInfo Options", mod_fcgid, mod_rewrite, and FollowSymLinks or SymLinksIfOwnerMatch.
# "Options not allowed here" in the error log: delete this line. ExecCGI may be on already; if not, only the host can help.
Options +ExecCGI

<Files "${SCRIPT}">
    SetHandler fcgid-script
</Files>

# Uploads above 128 kB are answered with 500 unless the host raises FcgidMaxRequestLen: it cannot be set here.

# Apache keeps the header Authorization to itself unless it is handed on.
SetEnvIf Authorization "(.+)" HTTP_AUTHORIZATION=$1

RewriteEngine On
${mount === '' ? '' : `RewriteBase ${mount}/\n`}
${isInside ? ALL : FILES}
RewriteRule ^ ${SCRIPT} [END]
`
}

const FILES = `# Never for anybody to download, should they ever be here.
RewriteRule (?:^|/)(?:\\.(?!well-known(?:/|$))|node_modules(?:/|$)|(?:package(?:-lock)?|npm-shrinkwrap|tsconfig)\\.json$|yarn\\.lock$|pnpm-lock\\.yaml$|dispatch\\.fcgi[^/]+$) - [F]

# Files in this folder are served by Apache, everything else by the application. By their own names: where MultiViews is on, Apache
# takes /page for page.html.
RewriteCond %{REQUEST_FILENAME} -f
RewriteCond %{THE_REQUEST} ^\\S+\\s[^?\\s]*% [OR]
RewriteCond %{THE_REQUEST}:%{REQUEST_FILENAME} ^\\S+\\s(?:[^?\\s]*/)?([^/?\\s]*)[?\\s].*/\\1$
RewriteRule ^ - [END]`

const ALL = `# The application lies in this folder, and its sources are nobody's business: Apache serves no file at all, the application serves
# its own (express.static). To have Apache serve them, move the application out of this folder and make these files anew.`

function dispatch({ node, app }: Deployment, project: string): string {
  return `#!/bin/sh
# Started by mod_fcgid for the requests that .htaccess hands on. It has to be executable (chmod 755) and to have Unix line ends.
# What goes wrong here is in the error log of the site.

# mod_fcgid passes PATH and nothing else: the environment of the application is what is set here.
NODE_ENV=production
export NODE_ENV

node=${shellWord(node)}
folder=${shellWord(project)}
app=${shellWord(app)}

# The socket is standard input, and the place of this file tells the application its URL.
FASTCGI_LISTEN=fd:0
FASTCGI_SCRIPT="$PWD/\${0##*/}"
export FASTCGI_LISTEN FASTCGI_SCRIPT

fail() {
    echo "$FASTCGI_SCRIPT: $1" >&2
    exit 1
}
[ -x "$node" ] || fail "$node is no program that this user may run; correct the line that begins with node="
cd "$folder" || fail "this user cannot enter $folder; correct the line that begins with folder="
[ -r "$app" ] || fail "this user cannot read $app; correct the line that begins with app="
# Found in node_modules of the folder, or of one above it: npm install express-fastcgi
exec "$node" --import express-fastcgi/register "$app"
`
}
