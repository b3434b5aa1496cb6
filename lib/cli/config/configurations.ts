// Every configuration there is, in the order that --help lists them.

import { apache } from './apache'
import { apacheFcgid } from './apache-fcgid'
import { caddy } from './caddy'
import { type Configuration } from './configuration'
import { h2o } from './h2o'
import { haproxy } from './haproxy'
import { nginx } from './nginx'

export const configurations: readonly Configuration[] = [nginx, apache, apacheFcgid, caddy, haproxy, h2o]
