import { describeFramework } from './contract'

describeFramework({ name: 'koa', departure: ['close'] })
