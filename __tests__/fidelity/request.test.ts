import { describeScenarios } from './describe'

describeScenarios('request')
