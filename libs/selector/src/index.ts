export {
  type LabelProblem,
  type Labels,
  labelKeyProblem,
  labelProblems,
  labelValueProblem,
} from './labels.js';
export { parseSelector, SelectorSyntaxError } from './parse.js';
export { formatSelector, matches, type Requirement, type Selector } from './selector.js';
