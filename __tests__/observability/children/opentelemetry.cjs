// An application under OpenTelemetry's stock HTTP instrumentation: `node opentelemetry.cjs WAY SOCKET BACKEND`. The ways differ in one
// line; everything an application has to do is here, and nothing of it knows of FastCGI. Tells its parent the finished spans.
const { exporter } = require('./tracing.cjs')
const { context, SpanStatusCode, trace } = require('@opentelemetry/api')
const http = require('node:http')
const [way, path, backend] = process.argv.slice(2)

const pages = {
  '/ok': (req, res) => res.end('ok'),
  '/body': (req, res) => req.on('data', note('data')).on('end', () => (note('end')(), res.end('ok'))),
  '/missing': (req, res) => res.writeHead(404).end(),
  '/broken': (req, res) => res.writeHead(500).end(),
  '/never': (req, res) => {
    res.write('begun')
    tell({ begun: true })
  },
  '/destroyed': (req, res) => {
    res.write('begun')
    setImmediate(() => res.destroy())
  },
  // Tells the id of the span that is active in each place.
  '/context': (req, res) => {
    const places = { handler: active() }
    res.on('finish', () => tell({ finish: active() }))
    setTimeout(() => {
      places.timer = active()
      Promise.resolve().then(() => {
        places.promise = active()
        res.end(JSON.stringify(places))
      })
    }, 1)
  },
  '/client': (req, res) => {
    http.get({ port: backend, host: '127.0.0.1', path: '/nested' }, (answer) => answer.resume().on('end', () => res.end('ok')))
  },
  // All of them wait for each other, so that they overlap.
  '/together': async (req, res) => {
    await new Promise((resolve) => {
      if (together.push(resolve) === 8) for (const go of together.splice(0)) go()
    })
    trace.getTracer('app').startSpan(`inside ${req.url}`).end()
    res.end(active())
  },
}
const together = []
const active = () => trace.getSpan(context.active())?.spanContext().spanId
const tell = (message) => process.send(message)
const note = (event) => () => tell({ [event]: active() })
const handler = (req, res) => pages[req.url.replace(/\?.*/, '')](req, res)

function makeServer() {
  if (way === 'createServer') return require('express-fastcgi').createServer(handler)
  const server = http.createServer(handler)
  if (way === 'attach') require('express-fastcgi').attach(server)
  // 'http' speaks HTTP; with 'register', `node -r` has seen to it that it does not.
  return server
}

process.on('message', () => tell({ spans: exporter.getFinishedSpans().map(described) }))

function described(span) {
  const { traceId, spanId } = span.spanContext()
  return {
    name: span.name,
    kind: ['INTERNAL', 'SERVER', 'CLIENT', 'PRODUCER', 'CONSUMER'][span.kind],
    status: Object.keys(SpanStatusCode).find((key) => SpanStatusCode[key] === span.status.code),
    traceId,
    spanId,
    parentSpanId: span.parentSpanContext?.spanId,
    attributes: span.attributes,
    isOver: span.ended,
  }
}

makeServer().listen(path, () => tell({ listening: true }))
