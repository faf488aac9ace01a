export { AlertFiring, alertEntities, SpendAlert } from './alert.entity.js';
export { AlertResolver, type FollowContext } from './alert.resolver.js';
export { AlertFiringType, SpendAlertType } from './alert.types.js';
export { AlertsService } from './alerts.service.js';
