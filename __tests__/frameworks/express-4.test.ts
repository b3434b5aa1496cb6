import { describeFramework } from './contract'

describeFramework({ name: 'express-4', departure: ['close'], servesFiles: true })
