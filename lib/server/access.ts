// Who may connect: IP addresses and CIDR ranges. FastCGI has no authentication, so whoever reaches the port can claim to be
// any client; a list that does not parse stops the start instead of letting everybody in.

import { BlockList, isIP, isIPv6 } from 'node:net'
import { OptionError } from '../errors'

export class AccessList {
  private readonly lists: BlockList[] = []

  /**
   * Narrows the list: from now on a client must be on this one too.
   *
   * @param entries addresses or ranges such as `192.0.2.7`, `10.0.0.0/8`, `2001:db8::/32`
   * @param source named in the error, such as `allowedClients`
   * @throws {OptionError} FCGI_ERR_ALLOWED_CLIENTS
   */
  narrow(entries: readonly string[], source: string): void {
    if (entries.length === 0) throw new OptionError(`${source} is an empty list, which nobody is on`, 'FCGI_ERR_ALLOWED_CLIENTS')
    const list = new BlockList()
    for (const entry of entries) add(list, entry.trim(), source)
    this.lists.push(list)
  }

  /** @param address of the peer; undefined when it has none any more, since it closed already: nobody on the list then */
  allows(address: string | undefined): boolean {
    if (address === undefined || address === '') return false
    // An IPv4 client of a dual-stack listener. RFC 4291 2.5.5.2
    const plain = address.startsWith('::ffff:') && isIP(address.slice(7)) === 4 ? address.slice(7) : address
    const family = isIPv6(plain) ? 'ipv6' : 'ipv4'
    return this.lists.every((list) => list.check(plain.replace(/%.*$/, ''), family))
  }
}

function add(list: BlockList, entry: string, source: string): void {
  const [address = '', bits, ...rest] = entry.split('/')
  const version = isIP(address)
  const widest = version === 6 ? 128 : 32
  const prefix = bits === undefined ? widest : /^[0-9]{1,3}$/.test(bits) ? Number(bits) : -1
  if (version === 0 || rest.length > 0 || prefix < 0 || prefix > widest) {
    throw new OptionError(
      `${source}: ${JSON.stringify(entry)} is neither an IP address nor a range such as 10.0.0.0/8 or 2001:db8::/32`,
      'FCGI_ERR_ALLOWED_CLIENTS',
    )
  }
  list.addSubnet(address, prefix, version === 6 ? 'ipv6' : 'ipv4')
}

/**
 * The list that an option and the environment make together; undefined when neither narrows anything.
 *
 * @param environment value of FCGI_WEB_SERVER_ADDRS: addresses separated by commas. FCGI 3.2
 */
export function accessList(allowedClients: readonly string[] | undefined, environment: string | undefined): AccessList | undefined {
  if (allowedClients === undefined && environment === undefined) return undefined
  const access = new AccessList()
  if (allowedClients !== undefined) access.narrow(allowedClients, 'option allowedClients')
  if (environment !== undefined) access.narrow(environment.split(','), 'FCGI_WEB_SERVER_ADDRS in the environment')
  return access
}
