// What visits are made of: paths, agents, and so on. Their numbers are those of the benchmarks' targets.

/** 0 is `big`, which has half of everything. */
export const merchantName = (merchant) =>
  merchant === 0 ? "big" : `shop-${String(merchant).padStart(4, "0")}`

const zones = ["Asia/Tokyo", "UTC", "America/New_York", "Europe/Berlin"]
/** Settings of a merchant. `big` has a zone in which days are not those of UTC. */
export const settingsOf = (merchant) => ({
  timezone: zones[merchant % zones.length],
  currency: merchant % 2 === 0 ? "USD" : "EUR",
})

const sections = ["products", "category", "blog", "help-center", "account"]
const words = ["cotton-shirt", "running-shoes", "summer-collection", "gift-card", "desk-lamp", "rain-jacket"]
export const paths = Array.from(
  { length: 200 },
  (_, index) =>
    `/en/${sections[index % sections.length]}/${words[index % words.length]}-${10_000 + 37 * index}`,
)

export const referrers = Array.from({ length: 20 }, (_, index) =>
  index < 4
    ? `search-${index + 1}.example`
    : index < 10
      ? `social-${index - 3}.example`
      : `partner-site-${index - 9}.example`,
)

export const countries = [
  ..."JP US DE FR BR IN GB KR IT ES CA AU MX NL SE PL TR ID TH VN SG CH AT BE PT".split(" "),
]

export const custom = ["search", "add_to_cart", "signup"]
export const methods = ["card", "wallet", "transfer", "points"]
export const grades = ["gold", "silver", "bronze", "basic"]
export const genders = ["f", "m", "x"]

const chrome = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0"
const safari = "AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5"

/** User agents, and what collecting makes of them. */
export const agents = [
  {
    browser: "Chrome",
    os: "Windows",
    device: "desktop",
    text: `Mozilla/5.0 (Windows NT 10.0; Win64; x64) ${chrome} Safari/537.36`,
  },
  {
    browser: "Safari",
    os: "iOS",
    device: "mobile",
    text: `Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) ${safari} Mobile/15E148 Safari/604.1`,
  },
  {
    browser: "Chrome",
    os: "Android",
    device: "mobile",
    text: `Mozilla/5.0 (Linux; Android 14; Pixel 8) ${chrome} Mobile Safari/537.36`,
  },
  {
    browser: "Safari",
    os: "macOS",
    device: "desktop",
    text: `Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) ${safari} Safari/605.1.15`,
  },
  {
    browser: "Edge",
    os: "Windows",
    device: "desktop",
    text: `Mozilla/5.0 (Windows NT 10.0; Win64; x64) ${chrome} Safari/537.36 Edg/126.0.0.0`,
  },
  {
    browser: "Firefox",
    os: "Linux",
    device: "desktop",
    text: "Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0",
  },
  {
    browser: "Samsung Internet",
    os: "Android",
    device: "mobile",
    text: "Mozilla/5.0 (Linux; Android 14; SM-S921B) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/25.0 Chrome/121.0.0.0 Mobile Safari/537.36",
  },
  {
    browser: "Safari",
    os: "iOS",
    device: "tablet",
    text: `Mozilla/5.0 (iPad; CPU OS 17_5 like Mac OS X) ${safari} Mobile/15E148 Safari/604.1`,
  },
]
