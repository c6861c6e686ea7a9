//! Rust source, taken apart far enough to tell code from comments, strings and tests.

/// What a character belongs to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Code,
    Comment,
    /// The inside of a string or character literal.
    Literal,
}

/// A source text with the kind of each of its characters.
pub(crate) struct Source {
    characters: Vec<(char, Kind)>,
}

impl Source {
    pub(crate) fn parse(text: &str) -> Self {
        let mut scanner = Scanner {
            text: text.chars().collect(),
            at: 0,
            characters: Vec::with_capacity(text.len()),
        };
        scanner.run();
        Self {
            characters: scanner.characters,
        }
    }

    /// The code; comments and the insides of literals are blank.
    pub(crate) fn code(&self) -> String {
        self.show(|kind| kind == Kind::Code)
    }

    /// Code and literals; comments are blank.
    pub(crate) fn code_and_literals(&self) -> String {
        self.show(|kind| kind != Kind::Comment)
    }

    /// The comments.
    pub(crate) fn comments(&self) -> String {
        self.show(|kind| kind == Kind::Comment)
    }

    /// The same without items under `#[cfg(test)]`.
    pub(crate) fn without_tests(mut self) -> Self {
        let code: Vec<char> = self.code().chars().collect();
        let attribute: Vec<char> = "#[cfg(test)]".chars().collect();
        let mut at = 0;
        while at + attribute.len() <= code.len() {
            if code[at..at + attribute.len()] == attribute[..] {
                let end = end_of_item(&code, at + attribute.len());
                for (character, kind) in &mut self.characters[at..end] {
                    *kind = Kind::Comment;
                    if *character != '\n' {
                        *character = ' ';
                    }
                }
                at = end;
            } else {
                at += 1;
            }
        }
        self
    }

    fn show(&self, keep: impl Fn(Kind) -> bool) -> String {
        self.characters
            .iter()
            .map(|&(character, kind)| {
                if character == '\n' || keep(kind) {
                    character
                } else {
                    ' '
                }
            })
            .collect()
    }
}

/// Just behind the item that begins at `from`: its `;` or its closing brace.
fn end_of_item(code: &[char], from: usize) -> usize {
    let mut depth = 0_usize;
    for (at, character) in code.iter().enumerate().skip(from) {
        match character {
            '{' => depth += 1,
            '}' if depth <= 1 => return at + 1,
            '}' => depth -= 1,
            ';' if depth == 0 => return at + 1,
            _ => {}
        }
    }
    code.len()
}

struct Scanner {
    text: Vec<char>,
    at: usize,
    characters: Vec<(char, Kind)>,
}

impl Scanner {
    fn run(&mut self) {
        while let Some(character) = self.peek(0) {
            match (character, self.peek(1)) {
                ('/', Some('/')) => {
                    while self.peek(0).is_some_and(|next| next != '\n') {
                        self.take(1, Kind::Comment);
                    }
                }
                ('/', Some('*')) => self.block_comment(),
                ('"', _) => self.string(),
                ('r', Some('"' | '#')) if !self.inside_a_word() => self.raw_string(),
                ('\'', Some('\\')) => {
                    // The character behind the backslash may itself be a quote.
                    self.take(1, Kind::Code);
                    self.take(2, Kind::Literal);
                    while self.peek(0).is_some_and(|next| next != '\'') {
                        self.take(1, Kind::Literal);
                    }
                    self.take(1, Kind::Code);
                }
                ('\'', Some(_)) if self.peek(2) == Some('\'') => {
                    self.take(1, Kind::Code);
                    self.take(1, Kind::Literal);
                    self.take(1, Kind::Code);
                }
                _ => self.take(1, Kind::Code),
            }
        }
    }

    fn peek(&self, ahead: usize) -> Option<char> {
        self.text.get(self.at + ahead).copied()
    }

    fn take(&mut self, count: usize, kind: Kind) {
        for _ in 0..count {
            if let Some(character) = self.peek(0) {
                self.characters.push((character, kind));
                self.at += 1;
            }
        }
    }

    /// Is the `r` here the tail of a name? (`br` and `cr` begin raw strings too.)
    fn inside_a_word(&self) -> bool {
        let before = |back: usize| {
            self.at
                .checked_sub(back)
                .and_then(|at| self.text.get(at))
                .copied()
        };
        match before(1) {
            Some('b' | 'c') => before(2).is_some_and(is_word),
            Some(character) => is_word(character),
            None => false,
        }
    }

    fn block_comment(&mut self) {
        let mut depth = 0_usize;
        loop {
            match (self.peek(0), self.peek(1)) {
                (Some('/'), Some('*')) => {
                    depth += 1;
                    self.take(2, Kind::Comment);
                }
                (Some('*'), Some('/')) => {
                    depth -= 1;
                    self.take(2, Kind::Comment);
                }
                (Some(_), _) => self.take(1, Kind::Comment),
                (None, _) => return,
            }
            if depth == 0 {
                return;
            }
        }
    }

    fn string(&mut self) {
        self.take(1, Kind::Code);
        while let Some(character) = self.peek(0) {
            match character {
                '"' => return self.take(1, Kind::Code),
                '\\' => self.take(2, Kind::Literal),
                _ => self.take(1, Kind::Literal),
            }
        }
    }

    fn raw_string(&mut self) {
        let mut hashes = 0;
        while self.peek(1 + hashes) == Some('#') {
            hashes += 1;
        }
        if self.peek(1 + hashes) != Some('"') {
            // A raw name: `r#type`.
            return self.take(1 + hashes, Kind::Code);
        }
        self.take(2 + hashes, Kind::Code);
        while self.peek(0).is_some() {
            let closes = self.peek(0) == Some('"')
                && (1..=hashes).all(|ahead| self.peek(ahead) == Some('#'));
            if closes {
                return self.take(1 + hashes, Kind::Code);
            }
            self.take(1, Kind::Literal);
        }
    }
}

pub(crate) fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

/// Where `needle` stands in `code`, whole words only: byte offsets.
pub(crate) fn occurrences(code: &str, needle: &str) -> Vec<usize> {
    let starts_with_word = needle.chars().next().is_some_and(is_word);
    let ends_with_word = needle.chars().next_back().is_some_and(is_word);
    code.match_indices(needle)
        .filter(|(at, _)| {
            let before = code[..*at].chars().next_back();
            let after = code[at + needle.len()..].chars().next();
            let joined_before = starts_with_word && before.is_some_and(is_word);
            let joined_after = ends_with_word && after.is_some_and(is_word);
            !joined_before && !joined_after
        })
        .map(|(at, _)| at)
        .collect()
}

/// The line, counted from 1, of a byte offset.
pub(crate) fn line_of(text: &str, at: usize) -> usize {
    text[..at].matches('\n').count() + 1
}

#[test]
fn blanks_comments_and_literals() {
    let text =
        "a(); // b()\n/* c /* d */ e */ f(\"g \\\" h\", r#\"i \" j\"#, 'k', '\\'', '\"') + b\"l\"";
    let code = Source::parse(text).code();
    for gone in ["b()", "c", "d", "e", "g", "h", "i", "j", "k", "l"] {
        assert!(!code.contains(gone), "{gone} is left in {code}");
    }
    assert!(code.contains("a();") && code.contains("f("));
    assert_eq!(code.chars().count(), text.chars().count());
}

#[test]
fn tells_lifetimes_and_raw_names_from_literals() {
    let text = "fn a<'x>(b: &'x str, r#type: u8) -> for_r<'x> { c('y') } // d";
    let code = Source::parse(text).code();
    assert_eq!(
        code.trim_end(),
        text[..text.len() - 4].replace("'y'", "' '").trim_end()
    );
}

#[test]
fn leaves_tests_out() {
    let text = "fn a() {}\n#[cfg(test)]\nmod tests {\n    fn b() { \"}\"; }\n}\nfn c() {}\n#[cfg(test)]\nuse d;\nfn e() {}\n";
    let code = Source::parse(text).without_tests().code_and_literals();
    assert!(code.contains("fn a") && code.contains("fn c") && code.contains("fn e"));
    assert!(!code.contains("fn b") && !code.contains("use d"));
}

#[test]
fn finds_whole_words() {
    assert_eq!(occurrences("unsafe_code unsafe {}", "unsafe"), [12]);
    assert_eq!(occurrences("x.begin() .begin ()", ".begin()"), [1]);
    assert_eq!(line_of("a\nb\nc", 4), 3);
}
