/** `npm run soak` runs the fault tests at full length, `npm test` with few rounds. */
export const soaking = process.env.TIDEMARK_SOAK === "1"

export const rounds = (few: number, all: number): number => (soaking ? all : few)
