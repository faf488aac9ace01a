export { Contract, contractEntities } from './contract.entity.js';
export { ContractResolver } from './contract.resolver.js';
export { ContractType } from './contract.types.js';
export { ContractsService } from './contracts.service.js';
export { gapsWithin, monthOf, periodsWithin, type Period } from './period.rules.js';
