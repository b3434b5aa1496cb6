import { describeFramework } from './contract'

describeFramework({ name: 'connect', departure: ['close'] })
