import type { Context } from "./Context.js"
import { unauthenticated } from "./Errors.js"

/**
 * Ends with an error once the key is not valid any more. Not an async generator: its `return` would wait
 * for the message that `next` waits for.
 */
export const whileAllowed = <A>(
  source: AsyncIterableIterator<A>,
  { services, authorization, principal }: Context,
): AsyncIterableIterator<A> => {
  const end = async (): Promise<IteratorResult<A>> => {
    await source.return?.()
    return { done: true, value: undefined }
  }
  const guarded: AsyncIterableIterator<A> = {
    next: async () => {
      const result = await source.next()
      if (result.done === true) return result
      const now = await services.access.principal(authorization)
      if (now?._tag === principal._tag && now.keyId === principal.keyId) return result
      await end()
      throw unauthenticated()
    },
    return: end,
    throw: end,
    [Symbol.asyncIterator]: () => guarded,
  }
  return guarded
}
