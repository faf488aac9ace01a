export {
  type EntitlementValue,
  type FeatureKind,
  type LimitValue,
  mayUse,
  type ModelsValue,
  type Setting,
} from './entitlement-value.rules.js';
export { Entitlement, entitlementEntities, Feature } from './entitlement.entity.js';
export { EntitlementResolver, FeatureEntitlementsResolver } from './entitlement.resolver.js';
export { type EffectiveEntitlement, type FailMode, type TargetKind } from './entitlement.rules.js';
export { EffectiveEntitlementType, EntitlementType, FeatureFailModeEnum, FeatureType } from './entitlement.types.js';
export { EntitlementsService } from './entitlements.service.js';
