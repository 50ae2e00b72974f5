/** A kind of thing that a shop sells. */
export interface Product {
  readonly sku: string
  readonly path: string
  /** Minor units of the shop's currency. */
  readonly price: number
}

/** A merchant that the demo plays. */
export interface Shop {
  readonly id: string
  readonly name: string
  readonly timezone: string
  readonly currency: string
  readonly grade: string
  readonly location: string
  readonly businessType: string
  /** Visits on a usual day. */
  readonly visits: number
  /** Where customers come from; the more often named, the more of them. */
  readonly countries: ReadonlyArray<string>
  readonly paymentMethods: ReadonlyArray<string>
  readonly products: ReadonlyArray<Product>
}

/** `category/name:price` for each, with spaces between. */
const catalogue = (prefix: string, text: string): ReadonlyArray<Product> =>
  text.split(" ").map((entry, index) => {
    const [path = "", price = ""] = entry.split(":")
    return { sku: `${prefix}-${String(index + 1).padStart(3, "0")}`, path: `/${path}`, price: Number(price) }
  })

const shops: ReadonlyArray<Shop> = [
  {
    ...{ id: "demo-kyoto-tea", name: "Kyoto Tea House", timezone: "Asia/Tokyo", currency: "JPY" },
    ...{ grade: "gold", location: "Kyoto, Japan", businessType: "tea", visits: 320 },
    countries: ["JP", "JP", "JP", "JP", "JP", "JP", "US", "TW", "KR", "FR"],
    paymentMethods: ["card", "card", "konbini", "paypay", "points"],
    products: catalogue(
      "KT",
      "green/sencha:1200 green/gyokuro:4800 green/hojicha:900 green/genmaicha:850 matcha/ceremonial:5400 matcha/everyday:1900 matcha/whisk:2600 bowls/raku:12800 bowls/seto:6400 bowls/travel:3200 sweets/yokan:1500 sweets/wasanbon:1800",
    ),
  },
  {
    ...{ id: "demo-brooklyn-bikes", name: "Brooklyn Bikes", timezone: "America/New_York", currency: "USD" },
    ...{ grade: "silver", location: "New York, United States", businessType: "bicycles", visits: 240 },
    countries: ["US", "US", "US", "US", "US", "US", "US", "CA", "GB", "MX"],
    paymentMethods: ["card", "card", "card", "paypal", "apple-pay"],
    products: catalogue(
      "BB",
      "bikes/commuter:64900 bikes/gravel:189900 bikes/folding:94900 bikes/kids:28900 parts/chain:3499 parts/saddle:7900 parts/tires:5850 parts/brakes:4295 gear/helmet:8900 gear/lock:6400 gear/lights:4200 gear/bell:1295 gear/gloves:2950",
    ),
  },
  {
    ...{ id: "demo-berlin-books", name: "Berliner Buchladen", timezone: "Europe/Berlin", currency: "EUR" },
    ...{ grade: "gold", location: "Berlin, Germany", businessType: "books", visits: 280 },
    countries: ["DE", "DE", "DE", "DE", "DE", "DE", "AT", "CH", "FR", "PL"],
    paymentMethods: ["card", "paypal", "sepa", "sepa", "invoice"],
    products: catalogue(
      "BU",
      "romane/heimkehr:2400 romane/nachtzug:1290 romane/der-garten:2200 krimi/kalte-spree:1199 krimi/schatten:1399 krimi/die-zeugin:1099 sachbuch/insekten:2800 sachbuch/berlin-1920:3400 sachbuch/brot:2950 kinder/der-baer:1500 kinder/mondreise:1690 kalender/berge:1895",
    ),
  },
  {
    ...{ id: "demo-kuwait-spices", name: "Kuwait Spice Market", timezone: "Asia/Kuwait", currency: "KWD" },
    ...{ grade: "bronze", location: "Kuwait City, Kuwait", businessType: "groceries", visits: 150 },
    countries: ["KW", "KW", "KW", "KW", "KW", "SA", "AE", "BH", "IN", "EG"],
    paymentMethods: ["knet", "knet", "knet", "card", "cash"],
    products: catalogue(
      "KS",
      "spices/saffron:4750 spices/cardamom:2250 spices/sumac:975 spices/baharat:1250 spices/loomi:850 dates/khalas:3500 dates/sukkari:2900 dates/ajwa:5250 coffee/arabic:2100 coffee/dallah:14500 oud/chips:18750 oud/burner:9500",
    ),
  },
  {
    ...{
      id: "demo-sao-paulo-shoes",
      name: "São Paulo Shoes",
      timezone: "America/Sao_Paulo",
      currency: "BRL",
    },
    ...{ grade: "silver", location: "São Paulo, Brazil", businessType: "shoes", visits: 300 },
    countries: ["BR", "BR", "BR", "BR", "BR", "BR", "BR", "PT", "AR", "UY"],
    paymentMethods: ["pix", "pix", "pix", "card", "boleto"],
    products: catalogue(
      "SP",
      "sneakers/rua:34990 sneakers/praia:27990 sneakers/corrida:45990 sandals/ipanema:8990 sandals/couro:15990 boots/sertao:52990 boots/chuva:18990 kids/primeiro:12990 kids/escola:16990 care/kit:5990",
    ),
  },
  {
    ...{ id: "demo-mumbai-looms", name: "Mumbai Looms", timezone: "Asia/Kolkata", currency: "INR" },
    ...{ grade: "bronze", location: "Mumbai, India", businessType: "textiles", visits: 210 },
    countries: ["IN", "IN", "IN", "IN", "IN", "IN", "AE", "GB", "US", "SG"],
    paymentMethods: ["upi", "upi", "upi", "card", "cash"],
    products: catalogue(
      "ML",
      "sarees/banarasi:849900 sarees/cotton:189900 sarees/chanderi:429900 kurtas/khadi:159900 kurtas/linen:219900 home/bedcover:279900 home/cushion:64900 home/curtain:144900 shawls/pashmina:1249900 shawls/wool:249900",
    ),
  },
]

/** The first `count` shops; past the last one they repeat as branches with ids of their own. */
export const demoShops = (count: number): ReadonlyArray<Shop> =>
  Array.from({ length: count }, (_, index) => {
    const shop = shops[index % shops.length] as Shop
    const branch = Math.floor(index / shops.length) + 1
    return branch === 1 ? shop : { ...shop, id: `${shop.id}-${branch}`, name: `${shop.name} ${branch}` }
  })
