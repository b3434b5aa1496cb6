import { describeScenarios } from './describe'

describeScenarios('server')
