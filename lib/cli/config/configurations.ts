// Every configuration there is, in the order that --help lists them.

import { type Configuration } from './configuration'
import { apache } from './apache'
import { apacheFcgid } from './apache-fcgid'
import { nginx } from './nginx'

export const configurations: readonly Configuration[] = [nginx, apache, apacheFcgid]
