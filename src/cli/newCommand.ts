import { Command } from "commander"
import { newProjection } from "./new/newProjection.js"
import { guarded } from "./options.js"

/** `tidemark new projection NAME`. */
export const newCommand = (): Command =>
  new Command("new").description("write the beginning of something new into Tidemark's sources").addCommand(
    new Command("projection")
      .description("a projection and its test, registered: docs/new-projection.md goes on from there")
      .argument("<name>", "its name, such as refundRate")
      .option("--directory <directory>", "where the sources are", ".")
      .action(
        guarded(async (name: string, { directory }: { readonly directory: string }) => {
          for (const path of newProjection(directory, name)) console.log(path)
          console.log(`\nTry it: npm test -- projections/${name}`)
        }),
      ),
  )
