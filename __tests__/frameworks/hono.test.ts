import { describeFramework } from './contract'

describeFramework({ name: 'hono', departure: ['onAbort', 'signal'], servesFiles: true, compresses: true })
