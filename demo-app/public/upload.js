// Sends a body with XMLHttpRequest, which is the one way a browser tells how much of it has left, and listens to what
// the application says it has read.
import { formatBytes, formatRate, formatSeconds, setState } from './format.js'

const form = document.querySelector('#upload')
const drop = document.querySelector('#drop')
const cancel = document.querySelector('#cancel')
const at = (id) => document.getElementById(id)
let current

/** Bytes nobody can compress; getRandomValues gives 64 KiB at a time. */
function randomBlob(mebibytes) {
  const block = new Uint8Array(1024 * 1024)
  for (let start = 0; start < block.length; start += 65536) crypto.getRandomValues(block.subarray(start, start + 65536))
  return new Blob(Array(mebibytes).fill(block))
}

function showProgress(id, bytes, total) {
  at(id).max = Math.max(1, total)
  at(id).value = total === 0 ? 1 : bytes
  at(`${id}-text`).textContent = `${formatBytes(bytes)} of ${formatBytes(total)}`
}

/** Resolves once the event stream is open, so that no report is missed. */
function listen(url, onReport) {
  return new Promise((resolve, reject) => {
    const events = new EventSource(url)
    events.onopen = () => resolve(events)
    events.onerror = () => (events.close(), reject(new Error('no event stream')))
    for (const name of ['progress', 'complete', 'aborted']) {
      events.addEventListener(name, (event) => {
        if (name !== 'progress') events.close()
        onReport(name, JSON.parse(event.data).received)
      })
    }
  })
}

async function send(blob, name) {
  current?.abort()
  const id = Array.from(crypto.getRandomValues(new Uint32Array(4)), (part) => part.toString(36)).join('')
  const request = (current = new XMLHttpRequest())
  const mine = (action) => (...args) => current === request && action(...args)
  const busy = (on) => ((cancel.disabled = !on), at('transfer').setAttribute('aria-busy', String(on)))
  let startedAt = 0

  for (const text of ['rate', 'time', 'sha256']) at(text).textContent = '–'
  at('size').textContent = formatBytes(blob.size)
  showProgress('sent', 0, blob.size)
  showProgress('received', 0, blob.size)
  setState(at('state'), `sending ${name}`, 'busy')
  busy(true)

  const onReport = mine((report, received) => {
    showProgress('received', received, blob.size)
    const seconds = (performance.now() - startedAt) / 1000
    if (report === 'progress') at('rate').textContent = formatRate(received / seconds)
    if (report === 'aborted') setState(at('state'), `cancelled; the application saw it after ${formatBytes(received)}`, 'bad')
  })
  const events = await listen(`${form.dataset.events}?id=${id}`, onReport).catch(() => undefined)
  if (current !== request) return void events?.close()

  request.upload.onprogress = mine((event) => showProgress('sent', event.loaded, event.total))
  request.upload.onload = mine(() => showProgress('sent', blob.size, blob.size))
  request.responseType = 'json'
  request.onload = mine(() => {
    busy(false)
    if (request.status !== 200 || !request.response) return setState(at('state'), `refused with ${request.status}`, 'bad')
    const { bytes, sha256, seconds, bytesPerSecond } = request.response
    showProgress('received', bytes, blob.size)
    at('rate').textContent = formatRate(bytesPerSecond)
    at('time').textContent = formatSeconds(seconds)
    at('sha256').textContent = sha256
    setState(at('state'), 'complete', 'good')
  })
  request.onerror = mine(() => (busy(false), events?.close(), setState(at('state'), 'the connection broke', 'bad')))
  request.onabort = mine(() => (busy(false), setState(at('state'), 'cancelled', 'bad')))
  const pace = new FormData(form).get('pace')
  request.open('POST', `${form.dataset.action}?id=${id}&pace=${pace}`)
  request.setRequestHeader('Content-Type', 'application/octet-stream')
  startedAt = performance.now()
  request.send(blob)
}

form.file.addEventListener('change', () => {
  const [file] = form.file.files
  if (file) void send(file, file.name)
  form.file.value = ''
})
form.addEventListener('click', (event) => {
  const { sample } = event.target.dataset
  if (sample) void send(randomBlob(Number(sample)), `${sample} MiB`)
})
cancel.addEventListener('click', () => current?.abort())
for (const [type, over] of [['dragenter', true], ['dragover', true], ['dragleave', false], ['drop', false]]) {
  drop.addEventListener(type, (event) => {
    event.preventDefault()
    drop.classList.toggle('over', over)
    const file = type === 'drop' && event.dataTransfer.files[0]
    if (file) void send(file, file.name)
  })
}
