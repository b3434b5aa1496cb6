// Every configuration there is, in the order that --help lists them.

import { type Configuration } from './configuration'
import { iis } from './iis'
import { nginx } from './nginx'

export const configurations: readonly Configuration[] = [nginx, iis]
