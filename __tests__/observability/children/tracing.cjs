// OpenTelemetry's set-up as its documentation has it, with an exporter that keeps the spans. To be loaded before the application, by `node -r`
// or by its first line.
const { registerInstrumentations } = require('@opentelemetry/instrumentation')
const { HttpInstrumentation } = require('@opentelemetry/instrumentation-http')
const { InMemorySpanExporter, SimpleSpanProcessor } = require('@opentelemetry/sdk-trace-base')
const { NodeTracerProvider } = require('@opentelemetry/sdk-trace-node')

exports.exporter = new InMemorySpanExporter()
new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exports.exporter)] }).register()
registerInstrumentations({ instrumentations: [new HttpInstrumentation()] })
