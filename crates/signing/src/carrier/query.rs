//! Tokens in a query.

use std::borrow::Cow;

use super::{Carriers, one};
use crate::{Malformed, Scheme, Token, cloudfront, media_cdn};

/// What a parameter is to a token.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Slot {
    Native,
    UriSigning,
    EdgeAuth,
    Dual,
    UrlPrefix,
    Expires,
    KeyName,
    IpRanges,
    Signature,
    Policy,
    KeyPairId,
    HashAlgorithm,
}

const SLOTS: usize = Slot::HashAlgorithm as usize + 1;

/// A parameter's value, and where the parameter stands in the query.
#[derive(Clone, Copy)]
struct Piece<'a> {
    value: &'a str,
    start: usize,
    end: usize,
}

/// The parameters of tokens, each at most once.
#[derive(Default)]
struct Pieces<'a>([Option<Piece<'a>>; SLOTS]);

type Split<'a> = (Option<Token<'a>>, Option<Cow<'a, str>>);

impl Carriers {
    pub(super) fn split_query<'a>(&self, query: &'a str) -> Result<Split<'a>, Malformed> {
        check_bytes(query)?;
        let mut pieces = Pieces::default();
        let mut rest: Option<String> = None;
        let mut offset = 0;
        for parameter in query.split('&') {
            let (start, end) = (offset, offset + parameter.len());
            let (name, value) = parameter
                .split_once('=')
                .ok_or(Malformed::QueryParameter { offset })?;
            if let Some(slot) = self.slot(name) {
                pieces.put(slot, Piece { value, start, end })?;
            } else {
                check_parameter(name, value, offset)?;
                match &mut rest {
                    None => rest = Some(parameter.to_owned()),
                    Some(rest) => {
                        rest.push('&');
                        rest.push_str(parameter);
                    }
                }
            }
            offset = end + 1;
        }
        let token = pieces.token(query)?;
        Ok((token, rest.map(Cow::Owned)))
    }

    /// Names are compared byte by byte; a scheme that the site does not take has none.
    fn slot(&self, name: &str) -> Option<Slot> {
        let names = &self.names;
        let takes = |scheme| self.schemes.contains(scheme);
        let slot = match name {
            _ if name == self.parameter.as_str() && takes(Scheme::Native) => Slot::Native,
            _ if name == names.uri_signing.as_str() && takes(Scheme::UriSigning) => {
                Slot::UriSigning
            }
            _ if name == names.edge_auth.as_str() && takes(Scheme::EdgeAuth) => Slot::EdgeAuth,
            _ if name == names.media_cdn.as_str() && takes(Scheme::MediaCdn) => Slot::Dual,
            "Expires" | "Signature" if takes(Scheme::MediaCdn) || takes(Scheme::CloudFront) => {
                if name == "Expires" {
                    Slot::Expires
                } else {
                    Slot::Signature
                }
            }
            "URLPrefix" if takes(Scheme::MediaCdn) => Slot::UrlPrefix,
            "KeyName" if takes(Scheme::MediaCdn) => Slot::KeyName,
            "IPRanges" if takes(Scheme::MediaCdn) => Slot::IpRanges,
            "Policy" if takes(Scheme::CloudFront) => Slot::Policy,
            "Key-Pair-Id" if takes(Scheme::CloudFront) => Slot::KeyPairId,
            "Hash-Algorithm" if takes(Scheme::CloudFront) => Slot::HashAlgorithm,
            _ => return None,
        };
        Some(slot)
    }
}

impl<'a> Pieces<'a> {
    /// The one token that the parameters make.
    fn token(&self, query: &'a str) -> Result<Option<Token<'a>>, Malformed> {
        let whole = [
            self.value(Slot::Native).map(Token::Native),
            self.value(Slot::UriSigning).map(Token::UriSigning),
            self.value(Slot::EdgeAuth).map(Token::EdgeAuth),
            self.value(Slot::Dual)
                .map(|text| Token::MediaCdn(media_cdn::Sent::Dual(text))),
        ];
        let mut token = None;
        for found in whole.into_iter().flatten() {
            one(&mut token, found)?;
        }
        if self.any(&[Slot::KeyName, Slot::UrlPrefix, Slot::IpRanges]) {
            one(&mut token, Token::MediaCdn(self.media_cdn(query)?))?;
            if self.any(&[Slot::Policy, Slot::KeyPairId, Slot::HashAlgorithm]) {
                return Err(Malformed::TwoTokens);
            }
        } else if self.any(&[
            Slot::Policy,
            Slot::KeyPairId,
            Slot::HashAlgorithm,
            Slot::Expires,
            Slot::Signature,
        ]) {
            // What is half a token is refused as one, whoever's it was meant to be.
            one(&mut token, Token::CloudFront(self.cloudfront()))?;
        }
        Ok(token)
    }

    fn put(&mut self, slot: Slot, piece: Piece<'a>) -> Result<(), Malformed> {
        match self.0[slot as usize].replace(piece) {
            Some(_) => Err(Malformed::TwoTokens),
            None => Ok(()),
        }
    }

    fn value(&self, slot: Slot) -> Option<&'a str> {
        self.0[slot as usize].map(|piece| piece.value)
    }

    fn any(&self, slots: &[Slot]) -> bool {
        slots.iter().any(|slot| self.0[*slot as usize].is_some())
    }

    fn cloudfront(&self) -> cloudfront::Sent<'a> {
        cloudfront::Sent {
            expires: self.value(Slot::Expires),
            policy: self.value(Slot::Policy),
            signature: self.value(Slot::Signature),
            key_pair_id: self.value(Slot::KeyPairId),
            hash_algorithm: self.value(Slot::HashAlgorithm),
        }
    }

    /// The fields stand together, the signature after them: they are signed as they stand.
    fn media_cdn(&self, query: &'a str) -> Result<media_cdn::Sent<'a>, Malformed> {
        let fields = [
            Slot::UrlPrefix,
            Slot::Expires,
            Slot::KeyName,
            Slot::IpRanges,
        ];
        let fields = || fields.iter().filter_map(|slot| self.0[*slot as usize]);
        let start = fields().map(|piece| piece.start).min().unwrap_or(0);
        let end = fields().map(|piece| piece.end).max().unwrap_or(0);
        let length: usize = fields().map(|piece| piece.end - piece.start + 1).sum();
        let signature = self.0[Slot::Signature as usize];
        let next = signature.map_or(end + 1, |piece| piece.start);
        if length != end - start + 1 || next != end + 1 {
            return Err(Malformed::ScatteredToken);
        }
        Ok(media_cdn::Sent::Query {
            query: &query[..end],
            fields_at: start,
            signature: signature.map(|piece| piece.value),
            more_follow: signature.is_some_and(|piece| piece.end < query.len()),
        })
    }
}

/// What no query has, whoever's parameter it is in. `;` and `+` are old second spellings of `&`
/// and of a space; in the token itself `+` is another base64, for the verifier to deny.
fn check_bytes(query: &str) -> Result<(), Malformed> {
    let illegal = |b: u8| !b.is_ascii_graphic() || b"\"#;<>[\\]^`{|}".contains(&b);
    match query.bytes().position(illegal) {
        Some(offset) => Err(Malformed::QueryByte {
            byte: query.as_bytes()[offset],
            offset,
        }),
        None => Ok(()),
    }
}

fn check_parameter(name: &str, value: &str, offset: usize) -> Result<(), Malformed> {
    if name.is_empty() {
        return Err(Malformed::QueryParameter { offset });
    }
    let name_is_plain = crate::path::is_unreserved;
    if let Some(at) = name.bytes().position(|b| !name_is_plain(b)) {
        return Err(Malformed::QueryByte {
            byte: name.as_bytes()[at],
            offset: offset + at,
        });
    }
    let start = offset + name.len() + 1;
    for (at, byte) in value.bytes().enumerate() {
        let offset = start + at;
        if matches!(byte, b'+' | b'?') {
            return Err(Malformed::QueryByte { byte, offset });
        }
        if byte == b'%' && !escapes_a_text_byte(&value.as_bytes()[at + 1..]) {
            return Err(Malformed::QueryEscape { offset });
        }
    }
    Ok(())
}

/// Whether two hexadecimal digits follow and mean no control byte.
fn escapes_a_text_byte(after_percent: &[u8]) -> bool {
    let digit = |at: usize| {
        let byte = after_percent.get(at).copied().map(char::from)?;
        byte.to_digit(16)
    };
    match (digit(0), digit(1)) {
        (Some(high), Some(low)) => high >= 2 && (high, low) != (7, 15),
        _ => false,
    }
}
