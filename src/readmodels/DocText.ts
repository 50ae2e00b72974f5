import type { Doc } from "./ReadModels.js"

/**
 * A document in memory that makes its own text, JSON: for those with many names, as objects with names that few others
 * have are slow to make and to write.
 */
export abstract class Written {
  abstract toText(): string

  /** As it comes from the store, for who writes it as a part of something else. */
  toJSON(): Doc {
    return JSON.parse(this.toText())
  }
}

/** A document of which the text is all that is left. */
export class Text extends Written {
  constructor(private readonly text: string) {
    super()
    // V8 puts together here what was made of many parts, which take several times as much memory.
    text.charCodeAt(0)
  }

  get length(): number {
    return this.text.length
  }

  toText(): string {
    return this.text
  }
}

/** What is stored of a document. */
export const textOf = (doc: Doc): string => (doc instanceof Written ? doc.toText() : JSON.stringify(doc))
