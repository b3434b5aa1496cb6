// Lights up what belongs together in the two columns, and sends other requests without leaving the page.
const inspector = document.querySelector('#inspector')
const form = document.querySelector('#trial form')
const status = form.querySelector('[role=status]')

function light(row) {
  for (const lit of inspector.querySelectorAll('tr.lit')) lit.classList.remove('lit')
  if (!row) return
  const names = row.dataset.name ? [row.dataset.name] : (row.dataset.from ?? '').split(' ').filter(Boolean)
  if (names.length === 0) return
  for (const other of inspector.querySelectorAll('tr')) {
    const mine = other.dataset.name ? [other.dataset.name] : (other.dataset.from ?? '').split(' ')
    if (other === row || mine.some((name) => names.includes(name))) other.classList.add('lit')
  }
}

inspector.addEventListener('pointerover', (event) => light(event.target.closest('tr')))
inspector.addEventListener('pointerleave', () => light(null))

form.addEventListener('submit', async (event) => {
  event.preventDefault()
  const fields = Object.fromEntries(new FormData(form))
  status.textContent = 'Sending …'
  try {
    const headers = fields.header.trim() === '' ? {} : { [fields.header.trim()]: fields.value }
    const body = fields.method === 'GET' || fields.body === '' ? undefined : fields.body
    const answer = await fetch(form.dataset.action + fields.path, { method: fields.method, headers, body })
    const page = new DOMParser().parseFromString(await answer.text(), 'text/html')
    const fresh = page.querySelector('#inspector')
    if (!fresh) throw new Error(page.querySelector('#message')?.textContent ?? `the answer was ${answer.status}`)
    inspector.replaceChildren(...fresh.childNodes)
    status.textContent = `${fields.method} answered with ${answer.status}. Shown below.`
  } catch (error) {
    status.textContent = `Not sent: ${error.message}`
  }
})
