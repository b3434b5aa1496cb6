import { describeScenarios } from './describe'

describeScenarios('response')
