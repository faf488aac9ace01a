export { accessEntities, ApiKey } from './api-key.entity.js';
export { ApiKeyResolver } from './api-key.resolver.js';
export { ApiKeyType } from './api-key.types.js';
export { AccessService, type Caller } from './access.service.js';
export { isKey, newKey } from './key-format.js';
export { ALL_PERMISSIONS, type Permission } from './permission.rules.js';
