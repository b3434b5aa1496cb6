// Whether a file lies in a folder, by whatever names: hosts have links such as ~/www for ~/public_html.

import { realpathSync } from 'node:fs'
import { basename, dirname, join, sep } from 'node:path'

/** Whether a path is a folder or below it, as they are written or with symbolic links followed. Neither has to exist. */
export function isInside(path: string, folder: string): boolean {
  return isBelow(path, folder) || isBelow(real(path), real(folder))
}

function isBelow(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder.endsWith(sep) ? folder : folder + sep)
}

/** Follows the links of as much of it as exists. */
function real(path: string): string {
  try {
    return realpathSync(path)
  } catch {
    const folder = dirname(path)
    return folder === path ? path : join(real(folder), basename(path))
  }
}
