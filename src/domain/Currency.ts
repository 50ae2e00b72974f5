const codes: ReadonlySet<string> = new Set(Intl.supportedValuesOf("currency"))

/** Whether it is a code of ISO 4217 in upper case, such as `USD`, that this Node knows. */
export const isCurrency = (code: string): boolean => codes.has(code)
