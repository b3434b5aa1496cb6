// What `express-fastcgi config SERVER` knows of one kind of web server.

import { type Deployment } from './deployment'

/** One file of a configuration, ready to be put in its place. */
export interface ConfigurationFile {
  /** Where Debian's package of the server expects it, such as `/etc/nginx/conf.d/example.org.conf`; a name alone where that is the user's choice. */
  readonly path: string
  /** Rights, when they are not 0644. */
  readonly mode?: number
  /** Complete content, comments included, with a line end at the end. */
  readonly text: string
}

/** A kind of web server, or of whatever else starts applications. */
export interface Configuration {
  /** What the command calls it. */
  readonly server: string
  /** One line for --help. */
  readonly summary: string
  /**
   * The files that are needed, the most important one first.
   *
   * @throws {UsageError} for a deployment that this server cannot have
   */
  files(deployment: Deployment): readonly ConfigurationFile[]
}
