export {
  type AskOptions,
  type AuthorizeCall,
  type Authorized,
  type Checked,
  type OfTenant,
  RatebookClient,
  type RatebookOptions,
} from './client.js';
export { type ErrorDetails, RatebookError } from './errors.js';
export { type NewEvent } from './events.js';
export { type FailMode, type LastKnownMode } from './fail-mode.js';
export { type Recorded } from './recorder.js';
export * from './types.js';
