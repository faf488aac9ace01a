export { auditLines, record, verifyChain, type Change } from './audit.service.js';
export { AuditLineConnection, AuditLineType } from './audit.types.js';
