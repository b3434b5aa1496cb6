import { describeFramework } from './contract'

describeFramework({ name: 'nest', departure: ['close'], servesFiles: true })
