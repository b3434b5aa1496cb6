// Every configuration there is, in the order that --help lists them.

import { apache } from './apache'
import { apacheFcgid } from './apache-fcgid'
import { caddy } from './caddy'
import { cgi } from './cgi'
import { type Configuration } from './configuration'
import { docker, kubernetes } from './container'
import { h2o } from './h2o'
import { haproxy } from './haproxy'
import { iis } from './iis'
import { lighttpd, lighttpdSpawn } from './lighttpd'
import { nginx } from './nginx'
import { multiwatch, spawnFcgi } from './spawn-fcgi'
import { systemd } from './systemd'

export const configurations: readonly Configuration[] = [
  nginx,
  apache,
  apacheFcgid,
  lighttpd,
  lighttpdSpawn,
  caddy,
  haproxy,
  h2o,
  iis,
  cgi,
  systemd,
  spawnFcgi,
  multiwatch,
  docker,
  kubernetes,
]
