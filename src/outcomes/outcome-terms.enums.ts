import { registerEnumType } from 'type-graphql';

export enum OutcomeVersionAnchorEnum {
  STARTED = 'STARTED',
  OCCURRED = 'OCCURRED',
  MATURED = 'MATURED',
}
registerEnumType(OutcomeVersionAnchorEnum, {
  name: 'OutcomeVersionAnchor',
  description: 'Which instant of an outcome decides the version that judges and prices it.',
  valuesConfig: {
    STARTED: { description: 'When its subject started.' },
    OCCURRED: { description: 'When it occurred.' },
    MATURED: { description: 'When it matures.' },
  },
});

export enum OutcomePeriodAnchorEnum {
  OCCURRED = 'OCCURRED',
  MATURED = 'MATURED',
}
registerEnumType(OutcomePeriodAnchorEnum, {
  name: 'OutcomePeriodAnchor',
  description: 'Which instant of an outcome decides the billing period that it is charged in.',
  valuesConfig: {
    OCCURRED: { description: 'When it occurred.' },
    MATURED: { description: 'When it matured.' },
  },
});

export enum OutcomeExclusionScopeEnum {
  SUBJECT = 'SUBJECT',
  CUSTOMER = 'CUSTOMER',
}
registerEnumType(OutcomeExclusionScopeEnum, {
  name: 'OutcomeExclusionScope',
  description: 'Which other events exclude a claim.',
  valuesConfig: {
    SUBJECT: { description: 'Those of its subject.' },
    CUSTOMER: { description: 'Later ones of its customer about another subject.' },
  },
});

export enum OutcomeDedupeScopeEnum {
  NONE = 'NONE',
  SUBJECT = 'SUBJECT',
  CUSTOMER = 'CUSTOMER',
}
registerEnumType(OutcomeDedupeScopeEnum, {
  name: 'OutcomeDedupeScope',
  description: 'Whose claims count as one.',
  valuesConfig: {
    NONE: { description: 'Each counts by itself.' },
    SUBJECT: { description: 'Those of one subject.' },
    CUSTOMER: { description: 'Those of one customer, over all its subjects.' },
  },
});

export enum OutcomeEnvironmentPolicyEnum {
  REJECT = 'REJECT',
  FREE = 'FREE',
  PRICED = 'PRICED',
}
registerEnumType(OutcomeEnvironmentPolicyEnum, {
  name: 'OutcomeEnvironmentPolicy',
  description: 'What becomes of claims of a test environment.',
  valuesConfig: {
    REJECT: { description: 'They are rejected.' },
    FREE: { description: 'They are outcomes, shown at their price and charged with nothing.' },
    PRICED: { description: 'They are priced like any other.' },
  },
});

export enum OutcomeVerifierEnum {
  LLM = 'LLM',
  HUMAN = 'HUMAN',
  SYSTEM = 'SYSTEM',
}
registerEnumType(OutcomeVerifierEnum, {
  name: 'OutcomeVerifier',
  description: 'Who says that a claim is true, or not.',
  valuesConfig: {
    LLM: { description: 'A language model.' },
    HUMAN: { description: 'A person.' },
    SYSTEM: { description: 'Another system that knows.' },
  },
});

export enum OutcomePartiesNeededEnum {
  ANY = 'ANY',
  BOTH = 'BOTH',
}
registerEnumType(OutcomePartiesNeededEnum, {
  name: 'OutcomePartiesNeeded',
  description: 'Whose word a verification needs.',
  valuesConfig: {
    ANY: { description: "Anyone's, but that of the key that claimed." },
    BOTH: { description: 'That of the seller and that of the buyer.' },
  },
});

export enum OutcomeSendersEnum {
  ANY = 'ANY',
  SELLER = 'SELLER',
}
registerEnumType(OutcomeSendersEnum, {
  name: 'OutcomeSenders',
  description: 'Whose events count. An event is the word of whoever holds a key that may send usage of the tenant.',
  valuesConfig: {
    ANY: { description: "Those of any key, the tenant's own among them." },
    SELLER: { description: 'Those sent by a key above the tenant.' },
  },
});

export enum OutcomeMissingQualityEnum {
  ACCEPT = 'ACCEPT',
  REJECT = 'REJECT',
}
registerEnumType(OutcomeMissingQualityEnum, {
  name: 'OutcomeMissingQuality',
  description: 'What becomes of an outcome that nobody has rated.',
  valuesConfig: {
    ACCEPT: { description: 'It counts.' },
    REJECT: { description: 'It is rejected; where ratings come as events, when it would mature.' },
  },
});

export enum OutcomeAttributionModelEnum {
  FIRST = 'FIRST',
  LAST = 'LAST',
  SPLIT = 'SPLIT',
}
registerEnumType(OutcomeAttributionModelEnum, {
  name: 'OutcomeAttributionModel',
  description: 'Which of several agents that touched a subject is credited with its outcome.',
  valuesConfig: {
    FIRST: { description: 'The first.' },
    LAST: { description: 'The last.' },
    SPLIT: { description: 'All of them, by their weights.' },
  },
});

export enum OutcomeExclusiveChoiceEnum {
  HIGHEST = 'HIGHEST',
  FIRST = 'FIRST',
  PRIORITY = 'PRIORITY',
}
registerEnumType(OutcomeExclusiveChoiceEnum, {
  name: 'OutcomeExclusiveChoice',
  description: 'Which of several exclusive outcomes of a subject counts.',
  valuesConfig: {
    HIGHEST: { description: 'The one that costs most by itself.' },
    FIRST: { description: 'The earliest.' },
    PRIORITY: { description: 'The one with the least priority number.' },
  },
});

export enum OutcomeMeasureEnum {
  UNITS = 'UNITS',
  VALUE = 'VALUE',
}
registerEnumType(OutcomeMeasureEnum, {
  name: 'OutcomeMeasure',
  description: 'What of an outcome its price prices.',
  valuesConfig: {
    UNITS: { description: 'Its units: one, unless the terms say otherwise.' },
    VALUE: { description: 'Its value, which is money.' },
  },
});

export enum OutcomeCapModeEnum {
  HARD = 'HARD',
  SOFT = 'SOFT',
  FREE = 'FREE',
}
registerEnumType(OutcomeCapModeEnum, {
  name: 'OutcomeCapMode',
  description: 'What becomes of outcomes beyond a cap.',
  valuesConfig: {
    HARD: { description: 'They are rejected.' },
    SOFT: { description: 'They are charged, and that they are beyond it is shown.' },
    FREE: { description: 'They are recorded and charged with nothing.' },
  },
});

export enum OutcomeCapScopeEnum {
  PERIOD = 'PERIOD',
  DAY = 'DAY',
  SUBJECT = 'SUBJECT',
}
registerEnumType(OutcomeCapScopeEnum, {
  name: 'OutcomeCapScope',
  description: 'What a cap counts over.',
  valuesConfig: {
    PERIOD: { description: 'The billing period.' },
    DAY: { description: "A day of the buyer's time zone within it." },
    SUBJECT: { description: 'One subject within it.' },
  },
});

export enum OutcomeUsageRelationEnum {
  ADD = 'ADD',
  REPLACE = 'REPLACE',
  FALLBACK = 'FALLBACK',
}
registerEnumType(OutcomeUsageRelationEnum, {
  name: 'OutcomeUsageRelation',
  description: 'How outcomes stand to usage.',
  valuesConfig: {
    ADD: { description: 'Both are charged.' },
    REPLACE: { description: 'The usage is not charged.' },
    FALLBACK: { description: 'Usage is charged where no outcome came of its subject.' },
  },
});

export enum OutcomeSilentDecisionEnum {
  CREDIT = 'CREDIT',
  UPHOLD = 'UPHOLD',
}
registerEnumType(OutcomeSilentDecisionEnum, {
  name: 'OutcomeSilentDecision',
  description: 'What a dispute comes to that nobody answers in time.',
  valuesConfig: {
    CREDIT: { description: 'The outcomes are taken back.' },
    UPHOLD: { description: 'The outcomes stay.' },
  },
});
