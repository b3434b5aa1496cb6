import { describeFramework } from './contract'

describeFramework({ name: 'express', departure: ['close'], servesFiles: true })
