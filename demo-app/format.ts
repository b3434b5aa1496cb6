// Numbers for people: bytes, rates and durations, the same on every page.

const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB'] as const

/** Bytes with a binary unit and at most one decimal: 1536 is `1.5 KiB`. */
export function formatBytes(bytes: number): string {
  let amount = bytes
  let unit = 0
  while (amount >= 1024 && unit < units.length - 1) {
    amount /= 1024
    unit += 1
  }
  return `${unit === 0 ? amount : Number(amount.toFixed(1))} ${units[unit] ?? ''}`
}
