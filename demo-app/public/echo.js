// One WebSocket for all messages, opened for the first: behind nginx there is none.
import { formatSeconds, setState } from './format.js'

const form = document.querySelector('#say')
const at = (id) => document.getElementById(id)
const { socket: path } = document.querySelector('#echo').dataset
let socket
let sentAt = 0

function connect() {
  const url = new URL(path, location)
  url.protocol = url.protocol.replace('http', 'ws')
  const opening = (socket = new WebSocket(url))
  let wasOpen = false
  setState(at('state'), 'connecting', 'busy')
  opening.onopen = () => ((wasOpen = true), setState(at('state'), 'connected', 'good'))
  opening.onmessage = ({ data }) => {
    at('answer').textContent = data
    at('time').textContent = formatSeconds((performance.now() - sentAt) / 1000)
  }
  opening.onclose = () => {
    socket = undefined
    setState(at('state'), wasOpen ? 'closed' : 'no WebSocket gets through here', 'bad')
  }
}

function say(message) {
  sentAt = performance.now()
  socket.send(message)
}

form.addEventListener('submit', (event) => {
  event.preventDefault()
  const message = new FormData(form).get('message')
  if (socket === undefined) connect()
  if (socket.readyState === WebSocket.OPEN) say(message)
  else socket.addEventListener('open', () => say(message), { once: true })
})
