import { isCurrency } from '../money/index.js';

export interface TenantDraft {
  readonly name: string;
  readonly kind: 'RESELLER' | 'CUSTOMER';
  readonly currency: string;
  readonly timeZone: string;
  readonly region: string;
}

export interface Refusal {
  readonly field: readonly string[];
  readonly message: string;
}

/** Why a tenant cannot be made as described; empty when it can. */
export function refuseTenant(draft: TenantDraft, parentKind: 'PLATFORM' | 'RESELLER' | 'CUSTOMER'): Refusal[] {
  const refusals: Refusal[] = [];

  if (draft.name.trim().length < 1 || draft.name.length > 200 || !isCleanText(draft.name)) {
    refusals.push({ field: ['name'], message: 'name has 1 to 200 characters and no control characters' });
  }

  if (!isCurrency(draft.currency)) {
    refusals.push({
      field: ['currency'],
      message: `${draft.currency.slice(0, 20)} is not an ISO 4217 currency in use`,
    });
  }

  if (!isTimeZone(draft.timeZone)) {
    refusals.push({ field: ['timeZone'], message: 'timeZone is an IANA time zone such as Europe/Berlin' });
  }

  if (!/^[a-z]{2}(-[a-z0-9]{1,20})*$/.test(draft.region)) {
    refusals.push({ field: ['region'], message: 'region is written like eu, us or eu-central-1' });
  }

  if (parentKind === 'CUSTOMER') {
    refusals.push({ field: ['parentId'], message: 'a customer is a leaf: nothing is below it' });
  }

  return refusals;
}

/** Whether the text can be stored and shown as it is: well-formed Unicode without control characters. */
export function isCleanText(text: string): boolean {
  // eslint-disable-next-line no-control-regex
  return text.isWellFormed() && !/[\u0000-\u001f\u007f-\u009f]/.test(text);
}

function isTimeZone(name: string): boolean {
  // An offset such as "+02:00" is accepted by Intl but is no zone: it knows no summer time.
  if (!/^[A-Za-z][A-Za-z0-9_+/-]{1,63}$/.test(name)) {
    return false;
  }

  try {
    new Intl.DateTimeFormat('en', { timeZone: name });

    return true;
  } catch {
    return false;
  }
}
