import { BigNumber } from 'bignumber.js';
import { decimal, type Decimal, formatDecimal } from './decimal.js';

/** An ISO 4217 alphabetic code, in capitals. `isCurrency` tells whether it is one we bill in. */
export type Currency = string;

/**
 * The active national currencies of ISO 4217 by the digits of their minor unit (list one, amendments up to the euro in
 * Bulgaria, 2026-01-01). Fund codes, metals and testing codes are left out: nobody is invoiced in them.
 */
const CODES_BY_MINOR_DIGITS: readonly (readonly [digits: number, codes: string])[] = [
  [0, 'BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF'],
  [
    2,
    `AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CNY COP CRC CUP
    CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES
    KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK
    NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB
    TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG`,
  ],
  [3, 'BHD IQD JOD KWD LYD OMR TND'],
];

const MINOR_DIGITS: ReadonlyMap<Currency, number> = new Map(
  CODES_BY_MINOR_DIGITS.flatMap(([digits, codes]) => codes.split(/\s+/).map(code => [code, digits] as const)),
);

/** Whether the code is an active ISO 4217 currency, exactly as written (`usd` is not). */
export function isCurrency(code: string): boolean {
  return MINOR_DIGITS.has(code);
}

/** How many decimals an amount that is paid has: 0 in JPY, 2 in USD, 3 in KWD. Throws RangeError on an unknown code. */
export function minorDigits(currency: Currency): number {
  const digits = MINOR_DIGITS.get(currency);

  if (digits === undefined) {
    throw new RangeError(`${currency} is not an active ISO 4217 currency`);
  }

  return digits;
}

/**
 * The amount as it is paid: half-even to the currency's minor unit. Called once per invoice line and nowhere before,
 * so that a total never disagrees with the lines above it. Throws RangeError on an unknown currency.
 */
export function roundMoney(amount: Decimal, currency: Currency): Decimal {
  return decimal(decimal(amount).decimalPlaces(minorDigits(currency), BigNumber.ROUND_HALF_EVEN));
}

/** The amount rounded as `roundMoney` does and written with all digits of the minor unit: `12.50` in USD, `13` in JPY. */
export function formatMoney(amount: Decimal, currency: Currency): string {
  const digits = minorDigits(currency);
  const [integer = '0', fraction = ''] = formatDecimal(roundMoney(amount, currency)).split('.');

  return digits === 0 ? integer : `${integer}.${fraction.padEnd(digits, '0')}`;
}
