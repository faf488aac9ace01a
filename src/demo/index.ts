export { replay } from './replay.js';
export { seedDemo, type DemoKeys } from './seed.js';
