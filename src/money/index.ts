export { type Currency, isCurrency, minorDigits, roundMoney } from './currency.js';
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
