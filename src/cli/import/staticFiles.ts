/**
 * Extensions of files that are no page: what a page is made of, what machines fetch, what people download.
 * Everything else is a page: html, htm, xhtml, php, asp, jsp and the like, and paths without extension.
 */
export const staticExtensions: Readonly<Record<string, string>> = {
  images: "apng avif bmp cur gif heic ico jpe jpeg jpg png svg svgz tif tiff webp",
  fonts: "eot otf ttc ttf woff woff2",
  "styles and scripts": "cjs css js less map mjs scss wasm xsl xslt",
  "data and feeds": "atom csv json jsonld rss tsv txt webmanifest xml yaml yml",
  media: "aac avi flac flv m3u8 m4a m4v mkv mov mp3 mp4 mpeg mpg oga ogg ogv opus swf wav webm wmv",
  "archives and programs":
    "7z apk bin bz2 deb dmg exe gem gz iso jar msi pyc rar rpm tar tgz war whl xz zip zst",
  documents: "doc docx eps epub odp ods odt pdf ppt pptx ps rtf tex xls xlsx",
}

const all: ReadonlySet<string> = new Set(Object.values(staticExtensions).flatMap((names) => names.split(" ")))

/** @param path without query */
export const isStaticFile = (path: string): boolean => {
  const dot = path.lastIndexOf(".")
  return dot > path.lastIndexOf("/") && all.has(path.slice(dot + 1).toLowerCase())
}
