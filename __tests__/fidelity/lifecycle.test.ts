import { describeScenarios } from './describe'

describeScenarios('lifecycle')
