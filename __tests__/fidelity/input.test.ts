import { describeScenarios } from './describe'

describeScenarios('input')
