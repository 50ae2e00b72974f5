/**
 * The same number. What V8 computes from instants, epoch ms, it keeps as a floating-point number however small it is,
 * and writes such in JSON, or an array of them, at half of the speed of integers.
 */
export const whole = (number: number): number => {
  const integer = number | 0
  return integer === number ? integer : number
}
