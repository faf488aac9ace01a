export { allocate } from './allocate.js';
export {
  type Conversion,
  type ConversionJson,
  conversionJson,
  convert,
  type FieldRefusal,
  readConversion,
  type Rounding,
} from './conversion.js';
export { type Currency, formatMoney, isCurrency, minorDigits, roundMoney } from './currency.js';
export {
  compare,
  type Decimal,
  decimal,
  type DecimalLimits,
  divide,
  formatDecimal,
  maxOf,
  minOf,
  ONE,
  parseDecimal,
  sum,
  ZERO,
} from './decimal.js';
