// Every configuration there is, in the order that --help lists them.

import { cgi } from './cgi'
import { type Configuration } from './configuration'
import { docker, kubernetes } from './container'
import { lighttpd, lighttpdSpawn } from './lighttpd'
import { nginx } from './nginx'
import { multiwatch, spawnFcgi } from './spawn-fcgi'
import { systemd } from './systemd'

export const configurations: readonly Configuration[] = [nginx, lighttpd, lighttpdSpawn, systemd, spawnFcgi, multiwatch, cgi, docker, kubernetes]
