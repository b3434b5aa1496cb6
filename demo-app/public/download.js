// Reads a download in the page, to show its progress and its rate.
import { formatBytes, formatRate, formatSeconds, setState } from './format.js'

const form = document.querySelector('#download')
const cancel = document.querySelector('#cancel')
const at = (id) => document.getElementById(id)
let stop

form.addEventListener('change', ({ target }) => {
  if (target.name === 'preset') form.mib.value = target.value
})
form.mib.addEventListener('input', () => {
  for (const preset of form.querySelectorAll('[name=preset]')) preset.checked = preset.value === form.mib.value
})
// The preset only fills in the number; the address needs the number alone.
form.addEventListener('formdata', ({ formData }) => formData.delete('preset'))
cancel.addEventListener('click', () => stop?.abort())

function show(received, total, seconds) {
  at('received').max = Math.max(1, total)
  at('received').value = received
  at('received-text').textContent = `${formatBytes(received)} of ${formatBytes(total)}`
  at('rate').textContent = seconds > 0 ? formatRate(received / seconds) : '–'
  at('time').textContent = formatSeconds(seconds)
}

at('measure').addEventListener('click', async () => {
  if (!form.reportValidity()) return
  stop?.abort()
  const mine = (stop = new AbortController())
  cancel.disabled = false
  setState(at('state'), 'receiving', 'busy')
  try {
    const startedAt = performance.now()
    const answer = await fetch(`${form.getAttribute('action')}?mib=${form.mib.value}`, { signal: mine.signal, cache: 'no-store' })
    if (!answer.ok) throw new Error(`the answer was ${answer.status}`)
    const total = Number(answer.headers.get('content-length'))
    at('length').textContent = total.toLocaleString('en')
    const reader = answer.body.getReader()
    let received = 0
    let shownAt = 0
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      received += part.value.length
      if (performance.now() - shownAt < 50) continue
      shownAt = performance.now()
      show(received, total, (shownAt - startedAt) / 1000)
      // Data that is always there would keep the page from noticing a click.
      await new Promise((resolve) => setTimeout(resolve))
    }
    show(received, total, (performance.now() - startedAt) / 1000)
    setState(at('state'), received === total ? 'complete' : `ended after ${received} of ${total} bytes`, received === total ? 'good' : 'bad')
  } catch (error) {
    if (mine === stop) setState(at('state'), mine.signal.aborted ? 'stopped' : error.message, 'bad')
  } finally {
    if (mine === stop) cancel.disabled = true
  }
})
