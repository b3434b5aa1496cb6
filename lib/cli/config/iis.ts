// A site of IIS: its web.config, and the commands for what IIS keeps in its own configuration. IIS starts the application.

import { resolve, win32 } from 'node:path'
import { UsageError } from '../usage-error'
import { type Configuration } from './configuration'
import { type Deployment } from './deployment'

const NODE = 'C:\\Program Files\\nodejs\\node.exe'
const SITES = 'C:\\inetpub'
const PATH_OF_WINDOWS = /^(?:[A-Za-z]:|\\\\[^\\/]+)[\\/]/

export const iis: Configuration = {
  server: 'iis',
  summary: 'a site for IIS: web.config, and the appcmd lines for its FastCGI settings',
  files: (deployment) => {
    const site = siteOf(deployment)
    return [
      { path: 'web.config', text: webConfig(site) },
      { path: `${deployment.name}.cmd`, text: commands(site).replaceAll('\n', '\r\n') },
    ]
  },
}

/** A deployment with paths of Windows. */
interface Site extends Deployment {
  /** The arguments of node. With the program they name the process pool, so that they have to be the same in both files. */
  readonly arguments: string
  readonly logs: string
}

function siteOf(deployment: Deployment): Site {
  const { name, mount } = deployment
  const folder = `${SITES}\\${name}${mount.replaceAll('/', '\\')}`
  const root = pathOfWindows('--root', deployment.root, `/var/www/${name}`, folder)
  const app = pathOfWindows('--app', deployment.app, resolve('server.js'), `${root}\\server.js`)
  const node = pathOfWindows('--node', deployment.node, process.execPath, NODE)
  const register = win32.join(win32.dirname(app), 'node_modules', 'express-fastcgi', 'dist', 'register.js')
  return { ...deployment, root, app, node, arguments: `-r ${quoted(register)} ${quoted(app)}`, logs: `${win32.dirname(app)}\\logs` }
}

/** @param usual what the option is when it was not given, on a machine that is not the one with IIS */
function pathOfWindows(option: string, path: string, usual: string, instead: string): string {
  if (!PATH_OF_WINDOWS.test(path)) {
    if (path === usual) return instead
    throw new UsageError(`${option} ${path} is no path of Windows such as ${instead}`)
  }
  // Of these Windows itself forbids some, IIS separates program and arguments by the third, and no quoting of cmd.exe and appcmd
  // together is known to keep the others.
  const character = /["<>|*?'^&%]/.exec(path)?.[0]
  if (character === undefined) return path.replaceAll('/', '\\')
  throw new UsageError(`${option} ${path}: IIS's commands cannot be given a path with ${character}; choose another folder`)
}

/** An argument as Windows' C library reads it. */
function quoted(argument: string): string {
  return /\s/.test(argument) ? `"${argument}"` : argument
}

/** A value of an attribute. */
function escaped(value: string): string {
  return value.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
}

// No name in a comment: those of international hosts have the two hyphens that end one.
function webConfig({ node, arguments: args }: Site): string {
  return `<?xml version="1.0" encoding="UTF-8"?>
<!-- Run the .cmd file of this site once, as administrator: IIS starts only what its own configuration knows. -->
<configuration>
  <system.webServer>
    <handlers>
      <!-- Every URL goes to the application. scriptProcessor is PROGRAM|ARGUMENTS, letter by letter as in the .cmd file: with
           any difference IIS answers 500.21 or 500.0. responseBufferLimit 0: by default IIS holds an answer back up to 4 MiB,
           so that nothing streams.
           500.19 with 0x80070021 means that this section is locked: appcmd unlock config -section:system.webServer/handlers -->
      <add name="express-fastcgi" path="*" verb="*" modules="FastCgiModule" resourceType="Unspecified" requireAccess="Script"
           scriptProcessor="${escaped(`${node}|${args}`)}"
           responseBufferLimit="0" />
    </handlers>
    <!-- The application's own pages for 404 and 500; by default IIS replaces them with its own. -->
    <httpErrors existingResponse="PassThrough" />
    <defaultDocument enabled="false" />
    <directoryBrowse enabled="false" />
    <security>
      <!-- allowDoubleEscaping: without it IIS refuses a + in a path (404.11). It stays false: with it, /a%252Fb would reach the
           application as /a%2Fb. maxAllowedContentLength: bytes of an upload; above that IIS answers 413.1 or 404.13. -->
      <requestFiltering allowDoubleEscaping="false">
        <requestLimits maxAllowedContentLength="30000000" />
      </requestFiltering>
    </security>
    <!-- IIS decodes URLs before it hands them on, and non-ASCII ones lose characters that the system's code page does not have.
         With the module URL Rewrite the application gets what the client sent. Without the module this section makes
         every URL a 500.19.
    <rewrite>
      <rules>
        <rule name="express-fastcgi" stopProcessing="true">
          <match url=".*" />
          <action type="Rewrite" url="express-fastcgi" />
        </rule>
      </rules>
    </rewrite>
    -->
  </system.webServer>
  <!-- Files that IIS sends by itself: everything in the folder "static" beside this file.
  <location path="static">
    <system.webServer>
      <handlers>
        <remove name="express-fastcgi" />
      </handlers>
    </system.webServer>
  </location>
  -->
</configuration>
`
}

function commands(site: Site): string {
  const { name, port, root, mount, node, app, logs, arguments: args } = site
  const pool = `fullPath='${node}',arguments='${args.replaceAll('"', '\\"')}'`
  const place =
    mount === ''
      ? `%appcmd% add site /name:"${name}" /bindings:http/*:${port}:${name} /physicalPath:"${root}"
%appcmd% set app "${name}/" /applicationPool:"${name}"`
      : `rem ${mount} of a site that is there: its routes begin with ${mount}, since the application sees the whole URL.
%appcmd% add app /site.name:"${name}" /path:${mount} /physicalPath:"${root}" /applicationPool:"${name}"`
  return `@echo off
rem Sets up ${name}${mount} in IIS. Run it once, as administrator, with web.config in ${root}.
rem For other values remove the entry first: the last line of this file.
chcp 65001 >nul
set appcmd=%windir%\\system32\\inetsrv\\appcmd.exe

rem The FastCGI module is part of the feature CGI.
dism /online /enable-feature /featurename:IIS-CGI /all /norestart

%appcmd% add apppool /name:"${name}" /managedRuntimeVersion:""
${place}

rem How the application is started. IIS gives it its requests over standard input.
rem maxInstances         each process answers one request at a time: so many at once, and so many copies of the application.
rem                      What one keeps in memory (sessions!) the others do not have.
rem instanceMaxRequests  by default a process is ended after 200 requests.
rem activityTimeout      seconds without a byte from the application; 30 by default. requestTimeout: of a whole request; 90 by default.
rem idleTimeout          seconds without a request until a process is ended; 300 by default.
rem stderrMode           by default anything on FCGI_STDERR turns the answer into a 500.
rem monitorChangesTo     a change of this file starts the processes anew.
%appcmd% set config -section:system.webServer/fastCgi /+"[${pool},maxInstances='4',queueLength='1000',instanceMaxRequests='10000000',activityTimeout='300',requestTimeout='300',idleTimeout='3600',stderrMode='IgnoreAndReturn200',protocol='NamedPipe',monitorChangesTo='${app}']" /commit:apphost

rem Its environment. Standard output and error lead nowhere under IIS: what the application prints goes to FASTCGI_LOG.
%appcmd% set config -section:system.webServer/fastCgi /+"[${pool}].environmentVariables.[name='NODE_ENV',value='production']" /commit:apphost
%appcmd% set config -section:system.webServer/fastCgi /+"[${pool}].environmentVariables.[name='FASTCGI_LOG',value='${logs}\\${name}.log']" /commit:apphost

rem The application pool's user reads the application, and writes the log.
if not exist "${logs}" mkdir "${logs}"
icacls "${win32.dirname(app)}" /grant "IIS AppPool\\${name}:(OI)(CI)RX"
icacls "${logs}" /grant "IIS AppPool\\${name}:(OI)(CI)M"

rem To remove the entry:
rem %appcmd% set config -section:system.webServer/fastCgi /-"[${pool}]" /commit:apphost
`
}
