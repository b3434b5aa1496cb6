// One contender with the plain handler and a direct load on it, for as long as an action takes.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CONTENDERS } from './contenders.mjs'
import { DirectLoad } from './direct.mjs'
import { ApplicationProcess } from './process.mjs'

/**
 * @param contenders names
 * @param action gets `{ name, application, load }` for each of them
 * @param flags for node
 */
export async function withApplications(node, contenders, action, flags = []) {
  const folder = mkdtempSync(join(tmpdir(), 'efcgi-bench-'))
  const entrants = contenders.map((name, index) => {
    const path = join(folder, `${index}.sock`)
    const application = new ApplicationProcess(node.binary, name, 'plain', path, flags)
    return { name, application, load: new DirectLoad(path, CONTENDERS[name].pass ?? 'fastcgi') }
  })
  try {
    for (const { application } of entrants) await application.listening()
    return await action(entrants)
  } finally {
    for (const { load } of entrants) load.close()
    await Promise.all(entrants.map(({ application }) => application.stop()))
    rmSync(folder, { recursive: true, force: true })
  }
}
