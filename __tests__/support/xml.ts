// A strict reader of XML, as far as configurations have it: no document types, no CDATA. What is not well-formed throws.

export interface Element {
  readonly name: string
  readonly attributes: Readonly<Record<string, string>>
  readonly children: readonly Element[]
}

const ENTITIES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }
// A comment may not hold two hyphens but at its end; an attribute no <, and & only as an entity.
const TOKEN = /<!--(?:(?!--)[^])*-->|<(\/?)([A-Za-z][\w.-]*)((?:\s+[A-Za-z][\w.-]*="[^"<]*")*)\s*(\/?)>|([^<]+)/gy
const ATTRIBUTE = /([A-Za-z][\w.-]*)="([^"]*)"/g

export function readXml(text: string): Element {
  const top: Element[] = []
  const open: { name: string; children: Element[] }[] = [{ name: '', children: top }]
  TOKEN.lastIndex = /^<\?xml version="1\.0" encoding="UTF-8"\?>\n/.exec(text)?.[0].length ?? 0
  while (TOKEN.lastIndex < text.length) {
    const at = TOKEN.lastIndex
    const match = TOKEN.exec(text)
    if (match === null) throw new Error(`not well-formed: ${text.slice(at, at + 60)}`)
    const [, end = '', name = '', attributes = '', empty = '', between = ''] = match
    if (between.trim() !== '') throw new Error(`text between elements: ${between}`)
    if (name === '') continue
    if (end !== '') {
      const closed = open.pop()
      if (closed?.name !== name) throw new Error(`</${name}> closes ${closed?.name ?? 'nothing'}`)
      continue
    }
    const children: Element[] = []
    open.at(-1)?.children.push({ name, attributes: readAttributes(attributes), children })
    if (empty === '') open.push({ name, children })
  }
  const [root, ...more] = top
  if (open.length !== 1 || root === undefined || more.length > 0) throw new Error(`one element is open: ${open.at(-1)?.name ?? ''}`)
  return root
}

function readAttributes(text: string): Record<string, string> {
  const attributes: Record<string, string> = {}
  for (const [, name = '', value = ''] of text.matchAll(ATTRIBUTE)) {
    if (name in attributes) throw new Error(`${name} is there twice`)
    attributes[name] = value.replace(/&([a-z]*);?/g, (entity, known: string) => {
      const character = ENTITIES[known]
      if (character === undefined || !entity.endsWith(';')) throw new Error(`no entity: ${entity}`)
      return character
    })
  }
  return attributes
}

/** The only element below one that has this path of names. */
export function find(root: Element, ...path: readonly string[]): Element {
  let element = root
  for (const name of path) {
    const found = element.children.filter((child) => child.name === name)
    if (found.length !== 1 || found[0] === undefined) throw new Error(`${found.length} elements ${name} in ${element.name}`)
    element = found[0]
  }
  return element
}
