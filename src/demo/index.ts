export { demoKey, replay } from './replay.js';
export { Api } from './replay-api.js';
export { importDemoBooks, seedDemo, type DemoKeys } from './seed.js';
