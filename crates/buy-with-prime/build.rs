//! Hands the schema to the derive macros that check our operations against it.

fn main() -> Result<(), cynic_codegen::registration::SchemaRegistrationError> {
    cynic_codegen::register_schema("buy-with-prime")
        .from_sdl_file("schema/buy-with-prime.graphql")?
        .as_default()?;
    Ok(())
}
